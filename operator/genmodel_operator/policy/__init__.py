"""The platform team's policy: what it says, whom it refuses, and which releases of the engine are vulnerable. Pure."""
