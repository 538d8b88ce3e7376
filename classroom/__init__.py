"""The unattended box: settings, conductor and command line."""
