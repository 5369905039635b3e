"""Mistakes in nets for images: LeNet-5, CIFAR-10, VGG16, ResNet-18, and a perceptron."""

from __future__ import annotations

from tests.errors.broken.programs import Broken, broken

_FLATTEN = "        x = gt.flatten(x, 1)\n"

LENET5 = [
    broken("fc1_features", "lenet5", "16 * 5 * 5", "16 * 4 * 4", "GT109 fc1"),
    broken("conv1_without_padding", "lenet5", "5, padding=2)", "5)", "GT109 fc1"),
    broken("conv1_wider", "lenet5", "Conv2d(1, 6", "Conv2d(1, 8", "GT102 conv2"),
    broken("fc2_features", "lenet5", "Linear(120, 84)", "Linear(100, 84)", "GT109 fc2"),
    broken("flatten_missing", "lenet5", _FLATTEN, "", "GT109 fc1"),
    broken("flatten_takes_batch", "lenet5", "flatten(x, 1)", "flatten(x)", "GT109 fc1"),
    broken("view_size", "lenet5", "gt.flatten(x, 1)", "x.view(-1, 16 * 4 * 4)", "GT105"),
    broken("view_across_batch", "lenet5", "gt.flatten(x, 1)", "x.view(-1, 16 * 10 * 10)", "GT109 fc1"),
    broken("channels_last", "lenet5", "zeros(4, 1, 28, 28)", "zeros(4, 28, 28, 1)", "GT102 conv1"),
    broken("colour_images", "lenet5", "zeros(4, 1, 28, 28)", "zeros(4, 3, 28, 28)", "GT102 conv1"),
    Broken("one_image", "lenet5", (("zeros(4, 1, 28, 28)", "zeros(1, 28, 28)"), ("zeros(4, d", "zeros(1, d")), ("GT109 fc1",)),
    Broken("one_image_without_channel", "lenet5", (("zeros(4, 1, 28, 28)", "zeros(28, 28)"), ("zeros(4, d", "zeros(1, d")), ("GT107 conv1",)),
    broken("flat_images", "lenet5", "zeros(4, 1, 28, 28)", "zeros(4, 784)", "GT107 conv1"),
    broken("bytes", "lenet5", "28, 28),)", "28, 28, dtype=gt.uint8),)", "GT201 conv1"),
    broken("softmax_dim", "lenet5", "F.relu(self.fc2(x))", "F.softmax(self.fc2(x), dim=2)", "GT302"),
    broken("extra_argument", "lenet5", "self.fc3(x)", "self.fc3(x, 1)", "GT301 fc3"),
    broken("kernel_too_large", "lenet5", "Conv2d(6, 16, 5)", "Conv2d(6, 16, 15)", "GT111 conv2"),
]  # fmt: skip

CIFAR10 = [
    broken("conv3_channels", "cifar10", "Conv2d(32, 64,", "Conv2d(64, 64,", "GT102 4"),
    broken("flatten_left_out", "cifar10", "        nn.Flatten(),\n", "", "GT109 6"),
    broken("flatten_from_zero", "cifar10", "Flatten()", "Flatten(0)", "GT109 7"),
    broken("flatten_from_two", "cifar10", "Flatten()", "Flatten(2)", "GT109 7"),
    broken("smaller_images", "cifar10", "3, 32, 32)", "3, 28, 28)", "GT109 7"),
    broken("channels_last_rgb", "cifar10", "zeros(4, 3, 32, 32)", "zeros(4, 32, 32, 3)", "GT102 0"),
    broken("in_and_out_swapped", "cifar10", "Conv2d(3, 32,", "Conv2d(32, 3,", "GT102 0"),
    broken("stride_added", "cifar10", "64, 5, padding=2)", "64, 5, stride=2, padding=2)", "GT109 7"),
    broken("one_pooling_too_many", "cifar10", "nn.Flatten(),", "nn.MaxPool2d(8),\n        nn.Flatten(),", "GT111 6"),
    broken("groups_do_not_divide", "cifar10", "64, 5, padding=2)", "64, 5, padding=2, groups=3)", "GT304"),
    broken("last_features", "cifar10", "Linear(64, 10)", "Linear(128, 10)", "GT109 8"),
]  # fmt: skip

VGG16 = [
    broken("classifier_features", "vgg16", "Linear(512, num", "Linear(4096, num", "GT109 classifier"),
    broken("view_by_channels", "vgg16", "out.size(0)", "out.size(1)", "GT109 classifier"),
    broken("view_missing", "vgg16", "        out = out.view(out.size(0), -1)\n", "", "GT109 classifier"),
    broken("channels_not_carried", "vgg16", "            in_channels = width\n", "", *(f"GT102 features.{i}" for i in (2, 5, 7, 10, 12, 14, 17, 19, 21, 24))),
    broken("first_channels", "vgg16", "in_channels = 3", "in_channels = 1", "GT102 features.0"),
    broken("sixth_pooling", "vgg16", '512, "M"]', '512, "M", "M"]', "GT111 features.31"),
    Broken("norm_before_widening", "vgg16", (("VGG(CFG)", "VGG(CFG, batch_norm=True)"), ("BatchNorm2d(width)", "BatchNorm2d(in_channels)")), ("GT102 features.1",)),
]  # fmt: skip

RESNET18 = [
    broken("shortcut_without_stride", "resnet18", "kernel_size=1, stride=stride", "kernel_size=1", "GT101 layer2.0"),
    broken("shortcut_missing", "resnet18", "stride != 1 or in_planes != planes", "stride != 1 and in_planes == planes", "GT101 layer2.0"),
    broken("second_norm", "resnet18", "self.bn2 = nn.BatchNorm2d(planes)", "self.bn2 = nn.BatchNorm2d(in_planes)", "GT102 layer2.0.bn2"),
    broken("block_padding", "resnet18", "stride=1, padding=1", "stride=1, padding=0", "GT101 layer1.0"),
    broken("block_channels", "resnet18", "BasicBlock(128, 256, stride=2)", "BasicBlock(64, 256, stride=2)", "GT102 layer3.0.conv1"),
    broken("pooling_forgotten", "resnet18", "self.avgpool(x)", "x", "GT109 fc"),
    broken("stem_norm", "resnet18", "self.bn1 = nn.BatchNorm2d(64)", "self.bn1 = nn.BatchNorm2d(32)", "GT102 bn1"),
    broken("grey_images", "resnet18", "2, 3, 64, 64", "2, 1, 64, 64", "GT102 conv1"),
    broken("fc_features", "resnet18", "Linear(512, num", "Linear(2048, num", "GT109 fc"),
]  # fmt: skip

MLP = [
    broken("not_flattened", "mlp", "        x = self.flatten(x)\n", "", "GT109 layers.0"),
    broken("hidden_features", "mlp", "Linear(hidden, 64)", "Linear(64, 64)", "GT109 layers.4"),
    broken("hidden_norm", "mlp", "BatchNorm1d(hidden)", "BatchNorm1d(64)", "GT102 layers.1"),
    broken("integers", "mlp", "zeros(6, 1, 28, 28)", "zeros(6, 1, 28, 28, dtype=gt.int64)", "GT201 layers.0"),
    broken("one_row_only", "mlp", "Linear(28 * 28", "Linear(28", "GT109 layers.0"),
]  # fmt: skip

IMAGES = [*LENET5, *CIFAR10, *VGG16, *RESNET18, *MLP]
