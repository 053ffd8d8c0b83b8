/** SETTINGS (RFC 9113 §6.5): what the peer said, and what we say. */
import type { ByteWriter } from './byte-writer.ts';
import { type H2Fault, rejection } from './fault.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  errorCode,
  MAX_WINDOW_BYTES,
  readUint32,
  writeUint32,
} from './frame.ts';

export const settingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  /** RFC 8441 §3. */
  enableConnectProtocol: 0x8,
  /** RFC 9218 §2.1. */
  noRfc7540Priorities: 0x9,
} as const;

const SETTING_BYTES = 6;
const MAX_FRAME_SIZE = 0xffffff;
const { protocolError, flowControlError } = errorCode;

/** What the peer takes, by default until it says otherwise. */
export class PeerSettings {
  headerTableSize = 4096;
  maxConcurrentStreams = 0xffffffff;
  initialWindowSize: number = DEFAULT_WINDOW_BYTES;
  maxFrameSize: number = DEFAULT_MAX_FRAME_BYTES;
  maxHeaderListSize = 0xffffffff;
  enableConnectProtocol = false;
  /** Whether any came. */
  received = false;

  /** @param fromServer whether the peer is the server, which may not enable push */
  apply(bytes: Buffer, from: number, to: number, fromServer: boolean): H2Fault | undefined {
    this.received = true;
    for (let at = from; at < to; at += SETTING_BYTES) {
      const fault = this.#set((bytes[at]! << 8) | bytes[at + 1]!, readUint32(bytes, at + 2), fromServer);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #set(id: number, value: number, fromServer: boolean): H2Fault | undefined {
    switch (id) {
      case settingId.headerTableSize:
        this.headerTableSize = value;
        break;
      case settingId.enablePush:
        if (value > (fromServer ? 0 : 1)) return rejection(protocolError, 'invalid SETTINGS_ENABLE_PUSH');
        break;
      case settingId.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        break;
      case settingId.initialWindowSize:
        if (value > MAX_WINDOW_BYTES)
          return rejection(flowControlError, 'invalid SETTINGS_INITIAL_WINDOW_SIZE');
        this.initialWindowSize = value;
        break;
      case settingId.maxFrameSize:
        if (value < DEFAULT_MAX_FRAME_BYTES || value > MAX_FRAME_SIZE)
          return rejection(protocolError, 'invalid SETTINGS_MAX_FRAME_SIZE');
        this.maxFrameSize = value;
        break;
      case settingId.maxHeaderListSize:
        this.maxHeaderListSize = value;
        break;
      case settingId.enableConnectProtocol:
        if (value > 1 || (value === 0 && this.enableConnectProtocol))
          return rejection(protocolError, 'invalid SETTINGS_ENABLE_CONNECT_PROTOCOL');
        this.enableConnectProtocol = value === 1;
        break;
      case settingId.noRfc7540Priorities:
        if (value > 1) return rejection(protocolError, 'invalid SETTINGS_NO_RFC7540_PRIORITIES');
        break;
      default:
        break;
    }
    return undefined;
  }
}

export function writeSetting(out: ByteWriter, id: number, value: number): void {
  out.reserve(SETTING_BYTES);
  const { buffer, length } = out;
  buffer[length] = id >>> 8;
  buffer[length + 1] = id;
  writeUint32(buffer, length + 2, value);
  out.length = length + SETTING_BYTES;
}
