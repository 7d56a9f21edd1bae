"""What people look at: a run's plots and the contact sheet of its samples."""
