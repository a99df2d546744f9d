/** Where a machine keeps its counters in another place than usual, as containers that mount them do. */

export function places(): { nvml?: string; powercap?: string } {
  const { EARLYBIRD_NVML: nvml, EARLYBIRD_POWERCAP: powercap } = process.env;
  return { ...(nvml ? { nvml } : {}), ...(powercap ? { powercap } : {}) };
}
