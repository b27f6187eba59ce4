// Copyright (c) 2026, iotfleet.ota contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Runs a declarative pipeline as Jenkins would, with what the example pipelines use of it, and refuses everything else:
//
//   groovy jenkins.groovy JENKINSFILE BUILD.json
//
// BUILD.json says what Jenkins knows: workspace, archive (the folder of the job's builds), number, parameters, answers to
// an input (or null), credentials, and environment. The result of the build and of its stages is written to it.

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import java.nio.file.FileSystems
import org.codehaus.groovy.control.CompilerConfiguration

class Failure extends RuntimeException {
  Failure(String message) { super(message) }
}

class Build {
  static Map given
  static Map own = [:]
  static List stages = []
  static GroovyShell shell

  static Map environment() { given.environment + given.parameters + [WORKSPACE: given.workspace, JOB_NAME: 'fleet/rollout'] + own }

  static List files(String pattern) {
    def root = new File(given.workspace).toPath()
    def matcher = FileSystems.default.getPathMatcher("glob:${pattern}")
    def found = []
    new File(given.workspace, 'reports').eachFile { if (matcher.matches(root.relativize(it.toPath()))) found << it }
    found
  }

  static void only(Map options, String... known) {
    assert options.keySet() - known.toList() == [] as Set
  }
}

// A block of a pipeline, which knows its own words and no others.
class Block {
  static void fill(Object block, Closure content) {
    content.delegate = block
    content.resolveStrategy = Closure.DELEGATE_ONLY
    content()
  }
}

class Definitions extends Block {
  List made = []
  void string(Map options) { Build.only(options, 'name', 'defaultValue', 'description'); made << options }
  void cron(String times) { made << times }
  void disableConcurrentBuilds() { made << 'disableConcurrentBuilds' }
}

class When extends Block {
  Closure condition = { true }
  void beforeInput(boolean first) { assert first }
  void beforeAgent(boolean first) { assert first }
  void expression(Closure given) { condition = given }
}

class Input extends Block {
  List parameters = []
  void message(String text) {}
  void ok(String text) {}
  void parameters(Closure content) { def block = new Definitions(); fill(block, content); parameters = block.made }
}

class Stage extends Block {
  Object any = 'any'
  When condition = new When()
  Input asked
  Closure work
  void agent(Object where) { assert where == 'any' }
  void when(Closure content) { fill(condition, content) }
  void input(Closure content) { asked = new Input(); fill(asked, content) }
  void steps(Closure content) { work = content }
}

class Stages extends Block {
  Script steps
  void stage(String name, Closure content) {
    if (Build.stages.any { it.result in ['failed', 'waiting'] }) return
    def stage = new Stage()
    fill(stage, content)
    stage.condition.condition.delegate = steps
    def state = [name: name, result: 'skipped']
    Build.stages << state
    if (!stage.condition.condition()) return
    if (stage.asked) {
      if (Build.given.answers == null) {
        state.result = 'waiting'
        return
      }
      assert stage.asked.parameters*.name as Set == Build.given.answers.keySet()
      Build.own += Build.given.answers
    }
    try {
      Block.fill(steps, stage.work)
      state.result = 'passed'
    } catch (Failure failure) {
      println "ERROR: ${failure.message}"
      state.result = 'failed'
    }
  }
}

class Pipeline extends Block {
  Object none = 'none'
  Script steps
  void agent(Object where) { assert where == 'none' }
  void options(Closure content) { fill(new Definitions(), content) }
  void triggers(Closure content) { fill(new Definitions(), content) }
  void parameters(Closure content) {
    def block = new Definitions()
    fill(block, content)
    assert block.made*.name as Set == Build.given.parameters.keySet()
  }
  void stages(Closure content) { fill(new Stages(steps: steps), content) }
}

abstract class Jenkins extends Script {
  void pipeline(Closure content) { Block.fill(new Pipeline(steps: this), content) }

  Map getEnv() { Build.environment() }
  Map getParams() { Build.given.parameters }

  void script(Closure content) { content() }
  void echo(String text) { println text }
  Object load(String path) { Build.shell.parse(new File(Build.given.workspace, path)).run() }

  void timeout(Map options, Closure content) {
    Build.only(options, 'time', 'unit')
    assert options.unit == 'HOURS'
    content()
  }

  Object sh(String script) { sh(script: script) }
  Object sh(Map options) {
    Build.only(options, 'script', 'returnStatus', 'returnStdout')
    // Jenkins shows each command before it runs.
    def starter = new ProcessBuilder('sh', '-xe', '-c', options.script.toString())
    starter.directory(new File(Build.given.workspace)).redirectErrorStream(true)
    starter.environment().clear()
    Build.environment().each { name, value -> if (value != null) starter.environment()[name] = value.toString() }
    def process = starter.start()
    process.outputStream.close()
    def output = ''
    process.inputStream.eachLine { if (options.returnStdout && !it.startsWith('+ ')) output += "${it}\n" else println it }
    def status = process.waitFor()
    if (options.returnStatus) return status
    if (status) throw new Failure("script returned exit code ${status}")
    if (options.returnStdout) return output
  }

  void withEnv(List settings, Closure content) {
    def before = Build.own
    def now = Build.environment()
    Build.own = before + settings.collectEntries {
      def (name, value) = it.toString().split('=', 2)
      name.startsWith('PATH+') ? [PATH: "${value}:${now.PATH}".toString()] : [(name): value]
    }
    try { content() } finally { Build.own = before }
  }

  Map usernamePassword(Map options) {
    Build.only(options, 'credentialsId', 'usernameVariable', 'passwordVariable')
    def found = Build.given.credentials[options.credentialsId]
    [(options.usernameVariable): found.username, (options.passwordVariable): found.password]
  }
  void withCredentials(List bindings, Closure content) {
    withEnv(bindings.collectMany { it.collect { name, value -> "${name}=${value}" } }, content)
  }

  void junit(Map options) {
    Build.only(options, 'testResults', 'allowEmptyResults')
    def found = Build.files(options.testResults)
    if (!found && !options.allowEmptyResults) throw new Failure('No test report files were found.')
    found.each { assert new XmlSlurper().parse(it).name() == 'testsuites' }
  }

  void publishHTML(Map options) {
    Build.only(options, 'target')
    def target = options.target
    Build.only(target, 'reportName', 'reportDir', 'reportFiles', 'keepAll', 'alwaysLinkToLastBuild', 'allowMissing')
    def path = "${target.reportDir}/${target.reportFiles}"
    if (new File(Build.given.workspace, path).exists()) println "PUBLISHED ${path}"
    else if (!target.allowMissing) throw new Failure("Specified HTML directory does not exist.")
  }

  void archiveArtifacts(Map options) {
    Build.only(options, 'artifacts', 'allowEmptyArchive')
    def found = Build.files(options.artifacts)
    if (!found && !options.allowEmptyArchive) throw new Failure('No artifacts found that match the file pattern.')
    def target = new File(Build.given.archive, "${Build.given.number}/reports")
    if (found) target.mkdirs()
    found.each { new File(target, it.name).bytes = it.bytes }
  }

  String lastWithArtifacts() { 'lastWithArtifacts' }
  void copyArtifacts(Map options) {
    Build.only(options, 'projectName', 'selector', 'parameters', 'filter', 'optional')
    assert options.projectName == '/fleet/rollout' && options.selector == 'lastWithArtifacts'
    assert !options.parameters.contains(',')  // where the next parameter would begin
    def (name, value) = options.parameters.toString().split('=', 2)
    def build = (Build.given.number - 1..<0).collect { new File(Build.given.archive, "${it}") }.find {
      def about = new File("${it}.json")
      new File(it, 'reports').exists() && new JsonSlurper().parse(about).parameters[name] == value
    }
    def source = build ? new File(build, options.filter.toString()) : null
    if (source?.exists()) {
      def target = new File(Build.given.workspace, options.filter.toString())
      target.parentFile.mkdirs()
      target.bytes = source.bytes
    } else if (!options.optional) {
      throw new Failure('Unable to find a build for artifact copy.')
    }
  }
}

def (pipeline, about) = args.collect { new File(it) }
Build.given = new JsonSlurper().parse(about)
def configuration = new CompilerConfiguration(scriptBaseClass: Jenkins.name)
Build.shell = new GroovyShell(Jenkins.classLoader, new Binding(), configuration)
Build.shell.parse(pipeline).run()
about.text = JsonOutput.toJson(Build.given + [stages: Build.stages.collectEntries { [it.name, it.result] }])
