/**
 * Paths of NVML and of the powercap tree that the user names, for containers that mount them elsewhere; absent fields
 * mean the usual ones.
 */
export function places(): { nvml?: string; powercap?: string } {
  const { EARLYBIRD_NVML: nvml, EARLYBIRD_POWERCAP: powercap } = process.env;
  return { ...(nvml ? { nvml } : {}), ...(powercap ? { powercap } : {}) };
}
