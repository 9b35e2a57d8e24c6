import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** The machine that figures were measured on. */
export const machine = () => ({
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  /** Load average over one minute: above the number of cores, other programs competed for them. */
  load: Number((loadavg()[0] ?? 0).toFixed(1)),
})
