"""AVIF, still and animated: frames encoded anew with what the boxes said."""
