"""The batch interface of sizing: one request in, one result out, both in a fixed form."""
