//! Faults for SOAP callers: WSO2's element in the detail, the HTTP status as for everybody.

use super::fault::{Blame, Row};

/// SOAP 1.1, section 4.4.
pub(super) fn soap11(row: &Row, description: &str) -> Vec<u8> {
    let (code, reason) = match row.blame() {
        Blame::Caller => ("Client", row.reason()),
        Blame::Server => ("Server", row.reason()),
    };
    let detail = detail(row, description);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
         <soapenv:Fault><faultcode>soapenv:{code}</faultcode><faultstring>{reason}</faultstring>\
         <detail>{detail}</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    .into_bytes()
}

/// SOAP 1.2 part 1, section 5.4.
pub(super) fn soap12(row: &Row, description: &str) -> Vec<u8> {
    let code = match row.blame() {
        Blame::Caller => "Sender",
        Blame::Server => "Receiver",
    };
    let (reason, detail) = (row.reason(), detail(row, description));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://www.w3.org/2003/05/soap-envelope\"><soapenv:Body>\
         <soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:{code}</soapenv:Value></soapenv:Code>\
         <soapenv:Reason><soapenv:Text xml:lang=\"en\">{reason}</soapenv:Text></soapenv:Reason>\
         <soapenv:Detail>{detail}</soapenv:Detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    .into_bytes()
}

fn detail(row: &Row, description: &str) -> String {
    let (prefix, namespace) = row.namespace();
    let element = |name: &str, text: &str| format!("<{prefix}:{name}>{}</{prefix}:{name}>", escaped(text));
    format!(
        "<{prefix}:fault xmlns:{prefix}=\"{namespace}\">{}{}{}</{prefix}:fault>",
        element("code", row.code),
        element("message", row.message),
        element("description", description)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
