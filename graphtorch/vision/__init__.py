"""Images: `graphtorch.vision.models`, under torchvision's names."""
