import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** What figures were measured on. */
export const machine = () => ({
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  /** Of one minute: above the cores, other programs took part of them. */
  load: Number((loadavg()[0] ?? 0).toFixed(1)),
})
