"""AVIF, still and animated: frames are encoded anew, and facts in the boxes stay."""
