"""Pillow's own libjpeg by ctypes: coefficients read and written without their pixels."""
