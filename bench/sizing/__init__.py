"""The accuracy of sizing, against what real servers logged when they started."""
