/** Other places of the energy counters, from the environment: containers may mount them elsewhere. */
export function places(): { nvml?: string; powercap?: string } {
  const { EARLYBIRD_NVML: nvml, EARLYBIRD_POWERCAP: powercap } = process.env;
  return { ...(nvml ? { nvml } : {}), ...(powercap ? { powercap } : {}) };
}
