"""The network: its weights, its card and the engines that run it."""
