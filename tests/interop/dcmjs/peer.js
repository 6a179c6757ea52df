// dcmjs-dimse as a program: `node peer.js OPERATION '{"port": …, "calling": …, "called": …, "tls": FOLDER, …}'`.
// Prints one JSON object; `serve` prints one for everything that it is asked, after a first one when it listens.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const { Client, Dataset, Scp, Server, constants, log, requests, responses } = require('dcmjs-dimse');

log.setLevel('silent');
for (const name of ['debug', 'error', 'info', 'log', 'warn']) {
  console[name] = () => {}; // what it prints is no JSON
}
const { PresentationContextResult, Status, TransferSyntax, UserIdentityType } = constants;
const [, , operation, given] = process.argv;
const asked = JSON.parse(given);
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

const security = () =>
  asked.tls && {
    key: fs.readFileSync(path.join(asked.tls, 'key.pem')),
    cert: fs.readFileSync(path.join(asked.tls, 'certificate.pem')),
    ca: fs.readFileSync(path.join(asked.tls, 'ca.pem')),
    requestCert: true,
    rejectUnauthorized: true,
  };

const MAKERS = {
  echo: () => [new requests.CEchoRequest()],
  store: () => asked.files.map((file) => new requests.CStoreRequest(file)),
  find: () => [requests.CFindRequest.createStudyFindRequest(asked.keys)],
  get: () => [requests.CGetRequest.createStudyGetRequest(asked.study)],
  move: () => [requests.CMoveRequest.createStudyMoveRequest(asked.destination, asked.study)],
};

function ask() {
  const client = new Client();
  const found = { statuses: [], datasets: [], stored: [], failed: null };
  for (const request of MAKERS[operation]()) {
    request.on('response', (response) => {
      found.statuses.push(response.getStatus());
      if (operation === 'find' && response.hasDataset()) {
        found.datasets.push(response.getDataset().getElements());
      }
      if (operation === 'get' || operation === 'move') {
        found.completed = response.getCompleted();
      }
    });
    client.addRequest(request);
  }
  client.on('cStoreRequest', (request, callback) => {
    found.stored.push(request.getDataset().getElement('SOPInstanceUID'));
    const response = responses.CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  });
  client.on('associationRejected', (why) => (found.failed = { rejected: why }));
  client.on('networkError', (error) => (found.failed = { network: String(error.message) }));
  client.on('closed', () => {
    say(found);
    process.exit(0);
  });
  client.send('localhost', asked.port, asked.calling, asked.called, {
    securityOptions: security(),
    userIdentity: asked.token && {
      type: UserIdentityType.UsernameAndPasscode,
      positiveResponseRequested: true,
      primaryField: asked.user,
      secondaryField: asked.token,
    },
  });
}

class Taking extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const taken = context
        .getTransferSyntaxUids()
        .find((uid) => [TransferSyntax.ExplicitVRLittleEndian, TransferSyntax.ImplicitVRLittleEndian].includes(uid));
      context.setResult(
        taken ? PresentationContextResult.Accept : PresentationContextResult.RejectTransferSyntaxesNotSupported,
        taken
      );
    }
    this.sendAssociationAccept();
  }
  cEchoRequest(request, callback) {
    say({ asked: 'echo' });
    callback(this.success(responses.CEchoResponse.fromRequest(request)));
  }
  cStoreRequest(request, callback) {
    say({ asked: 'store', instance: request.getDataset().getElement('SOPInstanceUID') });
    callback(this.success(responses.CStoreResponse.fromRequest(request)));
  }
  cFindRequest(request, callback) {
    say({ asked: 'find' });
    const one = responses.CFindResponse.fromRequest(request);
    one.setDataset(new Dataset({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2.3', PatientName: 'MADE^UP' }));
    one.setStatus(Status.Pending);
    callback([one, this.success(responses.CFindResponse.fromRequest(request))]);
  }
  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
  success(response) {
    response.setStatus(Status.Success);
    return response;
  }
}

function serve() {
  // It would listen on every address of the machine.
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (port, ...rest) {
    return listen.call(this, port, '127.0.0.1', ...rest.filter((each) => typeof each === 'function'));
  };
  const server = new Server(Taking);
  server.on('networkError', (error) => say({ failed: String(error.message) }));
  server.listen(asked.port, { securityOptions: security() });
  say({ listening: asked.port });
}

(operation === 'serve' ? serve : ask)();
