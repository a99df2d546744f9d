/** The user's own places of NVML and of the powercap tree, as containers that mount them elsewhere need; absent: the usual ones. */
export function places(): { nvml?: string; powercap?: string } {
  const { EARLYBIRD_NVML: nvml, EARLYBIRD_POWERCAP: powercap } = process.env;
  return { ...(nvml ? { nvml } : {}), ...(powercap ? { powercap } : {}) };
}
