"""Text formats that more than one room reads: YAML with places, durations, times, JMESPath."""
