package dev.infonce;

/**
 * One line of {@link Device#report()}.
 *
 * @param name the name that {@link Device#named} takes: java, cpu, cuda or emulated
 * @param available whether it can be used here
 * @param description what it is, and what would make it faster here, or "" if it cannot be used
 * @param reason why it cannot be used, or "" if it can
 */
public record DeviceReport(String name, boolean available, String description, String reason) {}
