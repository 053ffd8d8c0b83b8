/** `/certs`: the certificates of secrets. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { SecretMaterial } from '../contract.ts';
import { nameOfKey } from '../resource-source.ts';
import { certificatesOf, daysLeft } from './certificate-details.ts';
import { type AdminPage, type AdminReply, jsonReply } from './contract.ts';

export const certsPage: AdminPage = {
  path: '/certs',
  method: 'GET',
  help: 'print certs on machine',
  answer(_, { secrets }): AdminReply {
    // This process's own are there under several keys.
    const shown = new Set<SecretMaterial>();
    const certificates = secrets.names().flatMap((key): JsonObject[] => {
      const material = secrets.get(key);
      if (material === undefined || shown.has(material)) return [];
      shown.add(material);
      const name = nameOfKey(key);
      return [
        {
          ca_cert: detailsOf(name, material.trustedCaPem),
          cert_chain: detailsOf(name, material.certificateChainPem),
        },
      ];
    });
    return jsonReply({ certificates });
  },
};

function detailsOf(path: string, pem: string | undefined): JsonValue[] {
  return certificatesOf(pem).map((certificate) => {
    const { serialNumber, subjectAltName = '', validFromDate, validToDate } = certificate;
    const names = subjectAltName.split(', ').flatMap((entry): JsonObject[] => {
      const [kind, ...rest] = entry.split(':');
      const field = { URI: 'uri', DNS: 'dns', 'IP Address': 'ip_address' }[kind ?? ''];
      return field === undefined ? [] : [{ [field]: rest.join(':') }];
    });
    return {
      path,
      serial_number: serialNumber.toLowerCase(),
      subject_alt_names: names,
      days_until_expiration: String(Math.max(0, daysLeft(certificate))),
      valid_from: validFromDate.toISOString(),
      expiration_time: validToDate.toISOString(),
    };
  });
}
