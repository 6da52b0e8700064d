"""The demo in real time: the controller, the simulated site beside it, a live view, a report at the end."""
