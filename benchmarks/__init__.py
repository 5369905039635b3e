"""Programs that time graphtorch beside other libraries. They print ratios measured in one run; none is a test."""
