"""The resource as users write and read it: models, labels, reasons. Pure."""
