"""WebP, still and animated: pictures encoded anew, all other chunks kept."""
