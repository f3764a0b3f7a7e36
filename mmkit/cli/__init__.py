"""The command line: one small file a verb, each over a function that a library caller has too."""
