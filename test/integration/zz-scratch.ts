import { mkdtempSync, writeFileSync, mkdirSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startTestControlPlane } from '../support/control-plane.ts';
import { startControlPlane } from '#app/control-plane.ts';
import { MeshStore } from '#control/store/mesh-store.ts';
import { followMesh } from '#control/source/mesh-source.ts';
import { buildSnapshot } from '#control/translate/snapshot.ts';
import { createResourceEncoder, snapshotOf } from '#xds/snapshot.ts';
import { requestCertificate } from '#app/certificate-client.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { podDocument } from '#app/up/pods.ts';
const dir = mkdtempSync('/tmp/w7/scr-'); mkdirSync(join(dir,'pods')); mkdirSync(join(dir,'state'));
const pods: [string,string,string,string,number][] = [['recommendations-v1-0','recommendations','v1','127.99.0.11',7070],['recommendations-v2-0','recommendations','v2','127.99.0.12',7070],['storefront-v1-0','storefront','v1','127.99.0.13',9080]];
for (const [name, app, version, ip, port] of pods) writeFileSync(join(dir,'pods',name+'.json'), JSON.stringify(podDocument({name, namespace:'default', labels:{app,version}, annotations:{'inject.istio.io/templates': app==='storefront'?'sidecar,grpc-agent':'grpc-agent'}, serviceAccount: app, containers:[{name:app,image:'x',ports:[{containerPort:port}]}], meshAddress: ip, ready:true})));
const store = new MeshStore();
await followMesh(store, { paths: ['examples/bookstore'], podsFolder: join(dir,'pods') });
console.log(store.problems);
const enc = createResourceEncoder();
const log: any = new Proxy({}, { get: (_t,k) => (...a: any[]) => { if (k==='warn'||k==='error'||k==='info') console.log('CP', k, ...a.map(x=>JSON.stringify(x))); } });
const plane = await startControlPlane({ stateFolder: join(dir,'state'), trustDomain:'cluster.local', host:'127.99.0.1', ports:{plaintext:15010,tls:15012,api:15014}, name:'cp', log, report: () => ({resources:[],problems:[],allowedUnsupported:[],loadedAt:''}),
 source: { ready: () => true, serviceAccountOf: (_n, p) => pods.find(x=>x[0]===p)?.[1], snapshot: (node) => { const s = buildSnapshot(store.index, node); if (s.problems.length) console.log('PROBLEMS', s.problems); return snapshotOf([...s.clusters.map(c=>enc('cluster',c)), ...s.endpoints.map(c=>enc('endpoint',c)), ...s.listeners.map(c=>enc('listener',c)), ...s.routes.map(c=>enc('route',c))]); } } as any });
store.on('change', () => plane.changed());
for (const [name, app, , ip] of pods) {
  const id = workloadId('cluster.local', { namespace:'default', serviceAccount: app });
  const keys = await generateKeyPair();
  const token = await (plane.tokens as any).mint({ namespace:'default', serviceAccount: app, pod: name });
  const chain = await requestCertificate({ address:'127.99.0.1:15012', rootCaPem: plane.rootPem, credential: { kind: 'token', token: token.token }, csr: createSigningRequest(keys, id), validitySeconds: 0, signal: AbortSignal.timeout(5000) });
  const d = join(dir, name); mkdirSync(d);
  writeFileSync(join(d,'cert.pem'), chain.slice(0,-1).join('')); writeFileSync(join(d,'key.pem'), privateKeyPem(keys.privateKey)); writeFileSync(join(d,'ca.pem'), plane.rootPem);
  writeFileSync(join(d,'bootstrap.json'), JSON.stringify({ xds_servers:[{server_uri:'127.99.0.1:15010',channel_creds:[{type:'insecure'}],server_features:['xds_v3']}], node:{id:`sidecar~${ip}~${name}.default~default.svc.cluster.local`,cluster:`${app}.default`,locality:{},metadata:{GENERATOR:'grpc',INTERCEPTION_MODE:'NONE',NAMESPACE:'default',NAME:name,SERVICE_ACCOUNT:app,WORKLOAD_NAME:name.replace(/-0$/,''),LABELS:{app}}}, certificate_providers:{default:{plugin_name:'file_watcher',config:{certificate_file:join(d,'cert.pem'),private_key_file:join(d,'key.pem'),ca_certificate_file:join(d,'ca.pem'),refresh_interval:'5s'}}}, server_listener_resource_name_template:'xds.istio.io/grpc/lds/inbound/%s' }));
}
const env = { ...process.env, GRPC_TRACE: process.env.TR ?? '', GRPC_VERBOSITY: process.env.TR ? 'DEBUG' : 'ERROR' };
const ch = pods.map(([name, app, version, ip, port]) => spawn(process.execPath, ['start.mjs', `apps/${app}.ts`], { cwd:'examples/bookstore', stdio:'inherit', env: { ...env, HOST: ip, PORT: String(port), SERVICE_VERSION: version, HOSTNAME: name, GRPC_XDS_BOOTSTRAP: join(dir,name,'bootstrap.json'), GRPC_ADMIN_ADDRESS: `unix:${dir}/admin.sock`, http_proxy:'http://127.99.0.13:15007', grpc_proxy:'http://127.99.0.13:15007', no_proxy:'127.0.0.0/8,localhost' } }));
for (let i=0;i<12;i++) { await new Promise(r=>setTimeout(r,250)); try { const r = await fetch('http://127.99.0.13:9080/api/recommendations'); const b: any = await r.json(); console.log(r.status, JSON.stringify(b)); if (r.status===200) break; } catch (e) { } }
const counts: any = {}; for (let i=0;i<100;i++) { const b: any = await (await fetch('http://127.99.0.13:9080/api/recommendations')).json(); counts[b.version ?? b.error]=(counts[b.version ?? b.error]??0)+1; } console.log(counts);
console.log(await (await fetch('http://127.99.0.1:15014/debug/syncz')).text());
await new Promise<void>((r) => { const o = spawn('openssl',['s_client','-connect','127.99.0.11:7070','-alpn','h2'],{stdio:['ignore','pipe','pipe']}); let t=''; o.stdout.on('data',d=>t+=d); o.stderr.on('data',d=>t+=d); o.on('close',()=>{console.log(t.split('\n').filter(l=>/alert|Verif|subject|errno|eof/.test(l)).join('\n')); r();}); });
import { readFileSync as rf } from "node:fs"; const T = "examples/bookstore/traffic.yaml"; console.log(await csds()); process.on("exit",()=>{for (const c of ch) c.kill("SIGTERM")}); process.exit();
import * as grpc from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ClientStatusRequestSchema, ClientStatusResponseSchema } from '#xds/gen/envoy/service/status/v3/csds_pb.js';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
function csds() { const client = new grpc.Client(`unix:${dir}/admin.sock`, grpc.credentials.createInsecure());
 return new Promise((resolve, reject) => client.makeUnaryRequest('/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus', () => Buffer.from(toBinary(ClientStatusRequestSchema, create(ClientStatusRequestSchema))), (b) => fromBinary(ClientStatusResponseSchema, b), {}, (e, r: any) => e ? reject(e) : resolve(r.config.flatMap((c: any) => c.genericXdsConfigs).map((x: any) => [x.name, ClientResourceStatus[x.clientStatus]])))); }
