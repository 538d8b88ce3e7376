"""Tests of classreel: the same rooms again, and `kit`, what they share."""
