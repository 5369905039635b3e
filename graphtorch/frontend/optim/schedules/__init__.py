"""Learning-rate schedules, with torch's names; the public package is `graphtorch.optim.lr_scheduler`."""
