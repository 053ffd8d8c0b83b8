/** What the system says of its errors (strerror(3)), which Envoy puts into logs. */
const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EINVAL: 'Invalid argument',
  ENOENT: 'No such file or directory',
  EPERM: 'Operation not permitted',
  EACCES: 'Permission denied',
};

/** @param code such as `ECONNREFUSED`; '' where the system said none. */
export function systemText(code: string): string {
  return texts[code] ?? (code === '' ? 'unknown' : code);
}
