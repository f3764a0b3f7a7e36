"""Training: sounds kept on the device, mixed on the fly. Pure torch and numpy, no mmkit."""
