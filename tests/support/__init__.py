"""What several test files share: cases, planted mistakes, processes, terminals."""
