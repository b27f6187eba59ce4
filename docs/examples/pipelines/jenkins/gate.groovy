// Copyright (c) 2026, iotfleet.ota contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// To be saved as rollout/gate.groovy, which both pipelines load. Plugins: Copy Artifact, Credentials Binding, JUnit.
// Credentials: ota-access-key, a user name with password.

// Runs the gate that rollout/<name>.yml configures, and publishes its reports. Returns true only if the rollout passed. Without
// a batch, the gate finds one of the product OTA_PRODUCT_KEY that was created at this time or later.
boolean passes(String name, String batch, String createdAfter, boolean once = false) {
  sh 'rm -rf reports'
  if (once) {
    copyArtifacts(
      projectName: "/${env.JOB_NAME}",
      selector: lastWithArtifacts(),
      parameters: "OTA_FLEET_BATCH=${batch}",
      filter: "reports/${name}.json",
      optional: true
    )
  }
  withEnv([
    "OTA_BATCH=${batch}",
    "OTA_CREATED_AFTER=${createdAfter}",
    "ANSIBLE_HOME=${env.WORKSPACE}/.ansible",
    "PATH+VENV=${env.WORKSPACE}/.venv/bin"
  ]) {
    sh '''
      [ -d .venv ] || python3 -m venv .venv
      pip install --quiet --require-hashes --requirement rollout/requirements.txt
      ansible-galaxy collection install --requirements-file rollout/requirements.yml
    '''
    try {
      withCredentials([usernamePassword(
        credentialsId: 'ota-access-key',
        usernameVariable: 'ALIBABA_CLOUD_ACCESS_KEY_ID',
        passwordVariable: 'ALIBABA_CLOUD_ACCESS_KEY_SECRET'
      )]) {
        sh "ansible-playbook iotfleet.ota.rollout_gate --extra-vars @rollout/${name}.yml" +
          (once ? ' --extra-vars @rollout/once.yml' : '')
      }
    } finally {
      junit testResults: 'reports/*.xml', allowEmptyResults: true
      archiveArtifacts artifacts: 'reports/*', allowEmptyArchive: true
      // With the plugin HTML Publisher, each build also links its page:
      // publishHTML(target: [
      //   reportName: 'Rollout report',
      //   reportDir: 'reports',
      //   reportFiles: "${name}.html",
      //   keepAll: true,
      //   alwaysLinkToLastBuild: true,
      //   allowMissing: true
      // ])
    }
  }
  def status = sh(
    script: "grep --quiet --line-regexp ROLLOUT_GATE_VERDICT=passed reports/${name}.env",
    returnStatus: true
  )
  return status == 0
}

return this
