"""Stillwatt's slow half: 10 Hz and slower."""
