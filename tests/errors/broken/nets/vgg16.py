"""VGG16 (K. Simonyan, A. Zisserman, 2014) for CIFAR-10, made by a loop over its widths."""

import graphtorch as gt
from graphtorch import nn

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


class VGG(nn.Module):
    def __init__(self, cfg, batch_norm=False, num_classes=10):
        super().__init__()
        self.features = self.make_layers(cfg, batch_norm)
        self.classifier = nn.Linear(512, num_classes)

    def forward(self, x):
        out = self.features(x)
        out = out.view(out.size(0), -1)
        return self.classifier(out)

    def make_layers(self, cfg, batch_norm):
        layers = []
        in_channels = 3
        for width in cfg:
            if width == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
                continue
            layers += [nn.Conv2d(in_channels, width, kernel_size=3, padding=1)]
            if batch_norm:
                layers += [nn.BatchNorm2d(width)]
            layers += [nn.ReLU(inplace=True)]
            in_channels = width
        return nn.Sequential(*layers)


def model():
    return VGG(CFG)


def inputs():
    return (gt.zeros(2, 3, 32, 32),)


def targets():
    return gt.zeros(2, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
