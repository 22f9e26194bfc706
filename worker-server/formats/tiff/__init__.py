"""TIFF: only the strips or tiles under the logo are written anew, in the file itself."""
