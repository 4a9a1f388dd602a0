"""Infrastructure: the cloud stacks and the deployments that bring them up and take them down."""
