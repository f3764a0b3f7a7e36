"""The networks of LaMP (Li et al., 2024), in plain torch: nothing here knows of files or of the command line."""
