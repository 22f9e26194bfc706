"""Pillow's own libjpeg, called by cffi: coefficients read and written without their pixels."""
