// Says who it is; `/call?to=URL` calls another and says what came of it.
import http from 'node:http';

const { HOST, PORT = '9080', HOSTNAME } = process.env;
const agent = new http.Agent({ proxyEnv: process.env });

const call = (to) =>
  new Promise((resolve) => {
    const request = http.get(to, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => {
        text += more;
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    request.on('error', ({ code, message }) => resolve(code ?? message));
  });

http
  .createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://x');
    response.end(pathname === '/call' ? await call(searchParams.get('to')) : `this is ${HOSTNAME}`);
  })
  .listen(Number(PORT), HOST);

process.on('SIGTERM', () => process.exit(0));
