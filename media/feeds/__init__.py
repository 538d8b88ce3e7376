"""Whatever can be recorded, as coded packets on one timeline, and the raw segments they are kept in."""
