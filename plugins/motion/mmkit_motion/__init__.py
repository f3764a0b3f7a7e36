"""Human motion for mmkit: read, find, describe, draw and make it with words (LaMP)."""
