"""What the tests and tools share: images, services in this process or another, rigs."""
