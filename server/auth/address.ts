/**
 * The requested host: the request's own, or, behind this many trusted proxies, the one that was
 * requested from them.
 */
export function hostOf(host: string | undefined, forwarded: string | undefined, trustProxy: number): string {
  const named =
    trustProxy === 0
      ? []
      : (forwarded ?? '')
          .split(',')
          .map((one) => one.trim())
          .filter((one) => one !== '')
  return plainHost(named.at(-trustProxy) ?? named[0] ?? host ?? '')
}

/** As browsers write it: in lower case, without the port that its scheme has anyway. */
export const plainHost = (host: string): string => host.toLowerCase().replace(/:(80|443)$/, '')
