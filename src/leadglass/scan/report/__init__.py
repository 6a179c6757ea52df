"""What people and other programs are given of a survey. Nothing in it is about a patient."""
