"""What every plugin's training shares: steps that cannot poison the weights (`steps`).

Import the modules; this package imports nothing heavy.
"""
