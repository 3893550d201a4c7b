"""The mathematics: layers, losses, optimizers, schedules, the readable engine. Imports NumPy,
nothing else.
"""
