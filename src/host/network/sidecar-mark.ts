/** Set by a sidecar on what it sends itself (`SO_MARK`), which takes CAP_NET_ADMIN: applications do not have that. (1337 is TPROXY's.) */
export const SIDECAR_MARK = 1338;
