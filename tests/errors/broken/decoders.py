"""Mistakes in nets that give images: a U-Net, an autoencoder. And several mistakes at once."""

from __future__ import annotations

from tests.errors.broken.programs import Broken, broken

UNET = [
    broken("cat_along_batch", "unet", "e2], dim=1", "e2], dim=0", "GT102 dec2.net.0"),
    broken("cat_along_height", "unet", "e1], dim=1", "e1], dim=2", "GT102 dec1.net.0"),
    broken("skip_not_counted", "unet", "DoubleConv(64, 32)", "DoubleConv(32, 32)", "GT102 dec2.net.0"),
    Broken("odd_images", "unet", (("zeros(2, 3, 36, 44)", "zeros(2, 3, 36, 46)"), ("zeros(2, 36, 44", "zeros(2, 36, 46")), ("GT106",)),
    broken("up_channels", "unet", "ConvTranspose2d(64, 32", "ConvTranspose2d(32, 32", "GT102 up2"),
    broken("up_stride", "unet", "16, 2, stride=2", "16, 2, stride=1", "GT106"),
    broken("norm_of_input", "unet", "nn.BatchNorm2d(out_channels),\n            nn.ReLU(),\n        )", "nn.BatchNorm2d(in_channels),\n            nn.ReLU(),\n        )", "GT102 enc1.net.4"),
    broken("convolutions_shrink", "unet", "nn.Conv2d(out_channels, out_channels, 3, padding=1)", "nn.Conv2d(out_channels, out_channels, 3)", "GT106"),
    broken("skip_of_other_level", "unet", "self.up2(m), e2]", "self.up2(m), e1]", "GT106"),
]  # fmt: skip

AUTOENCODER = [
    broken("latent_features", "autoencoder", "nn.Linear(16 * 7 * 7, latent)", "nn.Linear(16 * 6 * 6, latent)", "GT109 to_latent"),
    broken("view_of_code", "autoencoder", "view(-1, 16, 7, 7)", "view(-1, 16, 6, 6)", "GT105"),
    broken("decoder_channels", "autoencoder", "nn.ConvTranspose2d(8, 1", "nn.ConvTranspose2d(16, 1", "GT102 decoder.2"),
    broken("smaller_output", "autoencoder", "ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1)", "ConvTranspose2d(8, 1, 3, stride=2, padding=1)", "GT101"),
    broken("code_not_flattened", "autoencoder", "h.flatten(1)", "h", "GT109 to_latent"),
    broken("code_still_flat", "autoencoder", "        h = h.view(-1, 16, 7, 7)\n", "", "GT107 decoder.0"),
    broken("from_latent_features", "autoencoder", "Linear(latent, 16 * 7 * 7)", "Linear(latent, 16 * 49 // 2)", "GT105"),
]  # fmt: skip

SEVERAL = [
    Broken("two_in_lenet", "lenet5", (("Conv2d(1, 6", "Conv2d(3, 6"), ("16 * 5 * 5", "16 * 4 * 4")), ("GT102 conv1", "GT109 fc1")),
    Broken("three_in_cifar", "cifar10", (("Conv2d(3, 32,", "Conv2d(3, 16,"), ("        nn.Flatten(),\n", ""), ("Linear(64, 10)", "Linear(128, 10)")), ("GT102 2", "GT109 6", "GT109 7")),
    Broken("two_in_vit", "vit", (("[cls, x], dim=1", "[cls, x], dim=2"), ("nn.Linear(dim, num_classes)", "nn.Linear(4 * dim, num_classes)")), ("GT106", "GT109 head")),
    Broken("three_in_unet", "unet", (("e2], dim=1", "e2], dim=3"), ("ConvTranspose2d(32, 16", "ConvTranspose2d(64, 16"), ("nn.Conv2d(16, classes", "nn.Conv2d(32, classes")), ("GT102 dec2.net.0", "GT102 up1", "GT102 out")),
    Broken("two_in_audio", "audio", (("zeros(3, 1, 8000)", "zeros(3, 8000, 1)"), ("Linear(2 * n_channel", "Linear(n_channel")), ("GT102 conv1", "GT109 fc1")),
]  # fmt: skip

DECODERS = [*UNET, *AUTOENCODER, *SEVERAL]
