/** The records that this server answers by itself. Names are without a dot at their end. */

interface RecordOf<Type extends string, Data> {
  readonly type: Type;
  readonly owner: string;
  /** Seconds. */
  readonly ttl: number;
  readonly data: Data;
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export type NameRecord =
  | RecordOf<'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' | 'TXT', string>
  | RecordOf<'SRV', SrvData>
  | RecordOf<'SOA', SoaData>;
