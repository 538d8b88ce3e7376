"""Raw segments to observations to the plan: shots, crops and clock maps."""
