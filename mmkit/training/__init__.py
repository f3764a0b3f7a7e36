"""What every plugin's training shares.

``budget``: how long, and the learning rate; ``steps``: steps that cannot poison the weights; ``average``: the running
mean of the weights; ``checkpoint``: the state on disk. Import the modules; this package imports nothing heavy.
"""
