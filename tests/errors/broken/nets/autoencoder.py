"""An autoencoder of images, with transposed convolutions."""

import graphtorch as gt
from graphtorch import nn


class AutoEncoder(nn.Module):
    def __init__(self, latent=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.to_latent = nn.Linear(16 * 7 * 7, latent)
        self.from_latent = nn.Linear(latent, 16 * 7 * 7)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        h = self.encoder(x)
        z = self.to_latent(h.flatten(1))
        h = self.from_latent(z)
        h = h.view(-1, 16, 7, 7)
        return self.decoder(h)


def model():
    return AutoEncoder()


def inputs():
    return (gt.zeros(3, 1, 28, 28),)


def targets():
    return gt.zeros(3, 1, 28, 28)


loss = nn.MSELoss()
